#include "Avatar3DAsset.h"

#include "Dom/JsonObject.h"
#include "Misc/FileHelper.h"
#include "Serialization/JsonReader.h"
#include "Serialization/JsonSerializer.h"

#include "Avatar3DLog.h"
#include "Avatar3DRuntime.h"

namespace
{
	using FAvatarPtr = TSharedPtr<const a3d::Avatar, ESPMode::ThreadSafe>;

	FAvatarPtr ReadAvatar(const TArray<uint8>& Bytes, FString& OutError)
	{
		TSharedRef<a3d::Avatar, ESPMode::ThreadSafe> Read = MakeShared<a3d::Avatar, ESPMode::ThreadSafe>();
		const a3d::Result Result = Read->load(Bytes.GetData(), static_cast<std::size_t>(Bytes.Num()));
		if (!Result)
		{
			OutError = FString(UTF8_TO_TCHAR(a3d::text(Result.status))) + TEXT(" ") + FString(UTF8_TO_TCHAR(Result.section));
			return FAvatarPtr();
		}
		return Read;
	}

	FString FingerprintOf(const a3d::Avatar& Avatar)
	{
		const TSharedRef<TJsonReader<>> Reader = TJsonReaderFactory<>::Create(FString(UTF8_TO_TCHAR(Avatar.about.data())));
		TSharedPtr<FJsonObject> About;
		const TSharedPtr<FJsonObject>* Head = nullptr;
		FString Fingerprint;
		if (FJsonSerializer::Deserialize(Reader, About) && About.IsValid() && About->TryGetObjectField(TEXT("head"), Head))
		{
			(*Head)->TryGetStringField(TEXT("fingerprint"), Fingerprint);
		}
		return Fingerprint;
	}
}

bool UAvatar3DAsset::SetBytes(TArray<uint8>&& InBytes, FString& OutError)
{
	const FAvatarPtr Read = ReadAvatar(InBytes, OutError);
	if (!Read.IsValid())
	{
		return false;
	}
	Bytes = MoveTemp(InBytes);
	Avatar = Read;
	Fingerprint = FingerprintOf(*Read);
	bUnreadable = false;
	NumGaussians = static_cast<int32>(Read->gaussians);
	Seconds = Read->motion_frames == 0 ? 0.0f : static_cast<float>(static_cast<double>(Read->motion_frames) / Read->fps);
	About = FString(UTF8_TO_TCHAR(Read->about.data()));
	return true;
}

UAvatar3DAsset* UAvatar3DAsset::LoadFile(const FString& Path)
{
	TArray<uint8> Read;
	FString Error = TEXT("cannot be read");
	if (FFileHelper::LoadFileToArray(Read, *Path))
	{
		UAvatar3DAsset* Asset = NewObject<UAvatar3DAsset>();
		if (Asset->SetBytes(MoveTemp(Read), Error))
		{
			return Asset;
		}
	}
	UE_LOG(LogAvatar3D, Error, TEXT("%s: %s"), *Path, *Error);
	return nullptr;
}

TSharedPtr<const a3d::Avatar, ESPMode::ThreadSafe> UAvatar3DAsset::GetAvatar() const
{
	if (!Avatar.IsValid() && !bUnreadable && Bytes.Num() > 0)
	{
		// A saved asset holds the file alone.
		FString Error;
		Avatar = ReadAvatar(Bytes, Error);
		if (Avatar.IsValid())
		{
			Fingerprint = FingerprintOf(*Avatar);
		}
		else
		{
			// Components ask with every frame; it is read again once it holds other bytes.
			bUnreadable = true;
			UE_LOG(LogAvatar3D, Error, TEXT("%s: %s; import it again"), *GetPathName(), *Error);
		}
	}
	return Avatar;
}

const FString& UAvatar3DAsset::GetFingerprint() const
{
	GetAvatar();
	return Fingerprint;
}
