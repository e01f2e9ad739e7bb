#include "Avatar3DAsset.h"

#include "Misc/FileHelper.h"

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
	if (!Avatar.IsValid() && Bytes.Num() > 0)
	{
		// A saved asset holds the file alone.
		FString Error;
		Avatar = ReadAvatar(Bytes, Error);
		UE_CLOG(!Avatar.IsValid(), LogAvatar3D, Error, TEXT("%s: %s"), *GetPathName(), *Error);
	}
	return Avatar;
}
