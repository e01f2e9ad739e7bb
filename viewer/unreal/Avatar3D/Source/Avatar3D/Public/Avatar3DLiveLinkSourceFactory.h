#pragma once

#include "CoreMinimal.h"
#include "LiveLinkSourceFactory.h"

#include "Avatar3DLiveLinkSourceFactory.generated.h"

/** Adds the source of ue:// to Live Link; the connection string is an address and a port. */
UCLASS()
class AVATAR3D_API UAvatar3DLiveLinkSourceFactory : public ULiveLinkSourceFactory
{
	GENERATED_BODY()

public:
	//~ Begin ULiveLinkSourceFactory Interface
	virtual FText GetSourceDisplayName() const override;
	virtual FText GetSourceTooltip() const override;
	virtual EMenuType GetMenuType() const override { return EMenuType::SubPanel; }
	virtual TSharedPtr<SWidget> BuildCreationPanel(FOnLiveLinkSourceCreated OnLiveLinkSourceCreated) const override;
	virtual TSharedPtr<ILiveLinkSource> CreateSource(const FString& ConnectionString) const override;
	//~ End ULiveLinkSourceFactory Interface
};
